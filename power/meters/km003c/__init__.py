"""ChargerLAB POWER-Z KM003C: its packets, its reader over the serial port, and its emulator."""
