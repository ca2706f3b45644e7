"""Phantom radiographs: drawn images in the competition's format, without data of patients.

A case describes an image; organs, bones, pneumothorax and devices are drawn onto a film as layers
of X-ray attenuation; the film is exposed, developed, and written as DICOM.
"""

from lib.prepare.phantom.files import write_phantoms

__all__ = ["write_phantoms"]
