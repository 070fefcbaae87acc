"""Classes, their names, malignancy, referral group and colours: built in, or a user's own."""
