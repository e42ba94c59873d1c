"""The contract as files: JSON Schemas, an AsyncAPI document and a page, made from the models (`make contracts`)."""
