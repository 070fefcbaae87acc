"""``hierattn predict --batch``: an archive of photographs into one table, and DICOM reports."""
