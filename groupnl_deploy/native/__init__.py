"""The native libraries of this installation: those that a wheel brought, or those that a checkout builds."""
