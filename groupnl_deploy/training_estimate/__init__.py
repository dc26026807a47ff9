"""What a training that grows a network would take on a device: its steps measured there, and added up."""
