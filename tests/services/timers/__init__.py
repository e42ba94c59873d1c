"""What happens at an instant, and what projects are told page by page: order, once each, whatever is late or killed."""
