"""Phantom radiographs: they look like the competition's, and nothing in them is of a patient.

A case says what an image shows; organs, bones, pneumothorax and devices are drawn onto a film as
layers of X-ray attenuation; the film is exposed, developed, and written as DICOM.
"""

from lib.prepare.phantom.files import write_phantoms

__all__ = ["write_phantoms"]
