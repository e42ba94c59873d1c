"""The HTTP service, asked whatever its OpenAPI document allows, and whatever it does not."""
