"""From a data set as its authors publish it to a folder that training and evaluation read (§3.1, §3.2)."""
