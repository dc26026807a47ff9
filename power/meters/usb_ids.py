"""By what the USB devices of the POWER-Z family are known, as in Linux `drivers/hwmon/powerz.c`."""

VENDOR = 0x5FC9
VENDOR_HEX = f"{VENDOR:04x}"  # as sysfs, udev and lsusb write it
PRODUCTS = {0x0063: "POWER-Z KM003C", 0x0061: "POWER-Z KM002C"}
