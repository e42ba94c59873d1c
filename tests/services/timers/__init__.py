"""What falls due at an instant, and notices sent page by page: in order, once each, whatever is late or killed."""
