"""What is in `deploy/`: alerts, dashboard, Kubernetes, compose."""
