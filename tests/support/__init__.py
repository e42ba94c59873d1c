"""What tests share: servers, installations, messages, proxies, and the independent model."""
