"""unitscope: see what every unit of a pretrained vision network responds to."""
