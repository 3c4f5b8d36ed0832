"""What people read: everything here is drawn from a result folder alone."""
