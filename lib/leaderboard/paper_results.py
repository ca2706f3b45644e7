"""Figures as the papers print them, by the recipe that stands for each row."""

NO, YES = False, True

# Niu, Table 1: model, Dice and loss.
NIU = {
    "niu_se_resnext50": ("SE-ResNeXt50", "0.721", "1.88"),
    "niu_densenet121": ("DenseNet121", "0.701", "1.98"),
    "niu_resnet50": ("ResNet50", "0.708", "1.92"),
    "niu_resnet101": ("ResNet101", "0.711", "1.93"),
    "niu_vgg16": ("VGG16", "0.695", "2.09"),
}

# Zhang, Table 1: model, Dice, precision, recall and IoU in per cent.
ZHANG = {
    "zhang_unet": ("U-Net", "82.36", "89.56", "84.51", "78.85"),
    "zhang_chexlocnet": ("CheXLocNet", "82.82", "90.36", "84.78", "79.17"),
    "zhang_albunet": ("AlbuNet", "83.25", "91.41", "86.58", "79.92"),
    "zhang_ica_resunet": ("ICA-ResUNet", "85.67", "92.42", "87.25", "81.37"),
}

# Jakhar et al., Table I: Dice and IoU in per cent.
JAKHAR = {"jakhar_resnet_unet": ("ResNet U-Net", "84.3", "82.6")}

# Abedalla et al., Table 5: IoU on the validation images of round 1, without and with flips.
ABEDALLA_5 = {
    "abedalla_exp1": ("0.7242", "0.7395"),
    "abedalla_exp2": ("0.7349", "0.7523"),
    "abedalla_exp3": ("0.7105", "0.7401"),
    "abedalla_exp4": ("0.7422", "0.7631"),
    "abedalla_2st_unet": ("0.7638", "0.7822"),
}
# Table 6: Dice on the test images of round 1.
ABEDALLA_6 = {
    "abedalla_exp1": "0.8125", "abedalla_exp2": "0.8154", "abedalla_exp3": "0.8300",
    "abedalla_exp4": "0.8407", "abedalla_2st_unet": "0.8502",
}  # fmt: skip
# Table 7: IoU on the validation images of round 2, by flips and removal.
ABEDALLA_7 = {(NO, NO): "0.7543", (NO, YES): "0.7693", (YES, NO): "0.7945", (YES, YES): "0.7946"}
# Table 8, by flips: Dice on the test of round 2, public and private; trained on round 1, then on 2.
ABEDALLA_8 = {
    NO: ("0.9005", "0.8247", "0.9011", "0.8298"),
    YES: ("0.8938", "0.8330", "0.9023", "0.8356"),
}
GROUPS = {
    "abedalla_aug_none": "none", "abedalla_aug_a1": "A1", "abedalla_aug_a2": "A2",
    "abedalla_aug_a1_a2": "A1 + A2", "abedalla_aug_a3": "A3", "abedalla_aug_a4": "A4",
}  # fmt: skip
# Table 10: IoU on the validation images of round 2 and Dice on its test, in the table's order.
ABEDALLA_10 = {
    "abedalla_aug_none": {
        (NO, NO): ("0.7459", "0.7859"), (YES, NO): ("0.7370", "0.7824"),
        (NO, YES): ("0.7840", "0.8111"), (YES, YES): ("0.7832", "0.8074"),
    },
    "abedalla_aug_a1": {
        (NO, NO): ("0.7490", "0.8000"), (YES, NO): ("0.7593", "0.8067"),
        (NO, YES): ("0.7842", "0.8127"), (YES, YES): ("0.7850", "0.8188"),
    },
    "abedalla_aug_a2": {
        (NO, NO): ("0.7330", "0.7820"), (YES, NO): ("0.7341", "0.7767"),
        (NO, YES): ("0.7825", "0.8105"), (YES, YES): ("0.7819", "0.8105"),
    },
    "abedalla_aug_a1_a2": {
        (NO, NO): ("0.7496", "0.8004"), (YES, NO): ("0.7608", "0.8092"),
        (NO, YES): ("0.7842", "0.8152"), (YES, YES): ("0.7843", "0.8212"),
    },
    "abedalla_aug_a3": {
        (NO, NO): ("0.7457", "0.7985"), (YES, NO): ("0.7379", "0.7889"),
        (NO, YES): ("0.7846", "0.8172"), (YES, YES): ("0.7833", "0.8095"),
    },
    "abedalla_aug_a4": {
        (NO, NO): ("0.7660", "0.8012"), (YES, NO): ("0.7656", "0.8027"),
        (NO, YES): ("0.7844", "0.8142"), (YES, YES): ("0.7842", "0.8144"),
    },
}  # fmt: skip
# Table 11, by decision: team, model, image size, and Dice on the private test of round 2.
ABEDALLA_11 = {
    "sneddy_v1-sneddy_v1": ("[dsmlkz] sneddy", "U-Net", "1024 × 1024", "0.8679"),
    "x5-x5": ("X5", "Deeplabv3+, U-Net", "1024 × 1024", "0.8665"),
    "abedalla_2st_unet-abedalla_2st_unet": ("2ST-UNet", "U-Net", "512 × 512", "0.8356"),
}

# Viel and Orhan, Table 6: Dice and accuracy by what is switched on, in the table's order.
SWITCHES = {"lovasz": "Lovász", "aspp": "ASPP", "hypercolumns": "hypercolumns", "scse": "scSE"}
VIEL = {
    (): ("0.583", "0.828"),
    ("lovasz",): ("0.588", "0.832"),
    ("aspp",): ("0.592", "0.838"),
    ("hypercolumns",): ("0.585", "0.842"),
    ("scse",): ("0.578", "0.836"),
    ("lovasz", "aspp"): ("0.574", "0.829"),
    ("lovasz", "hypercolumns"): ("0.586", "0.829"),
    ("lovasz", "scse"): ("0.582", "0.835"),
    ("aspp", "hypercolumns"): ("0.593", "0.837"),
    ("aspp", "scse"): ("0.588", "0.827"),
    ("hypercolumns", "scse"): ("0.579", "0.836"),
    ("lovasz", "aspp", "hypercolumns"): ("0.579", "0.832"),
    ("lovasz", "aspp", "scse"): ("0.585", "0.836"),
    ("lovasz", "hypercolumns", "scse"): ("0.578", "0.834"),
    ("aspp", "hypercolumns", "scse"): ("0.574", "0.840"),
    ("lovasz", "aspp", "hypercolumns", "scse"): ("0.574", "0.837"),
}
