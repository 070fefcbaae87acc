"""HierAttn and the light networks it is compared with (§3.3, Table 1): ``hierattn.create_model`` builds them."""
