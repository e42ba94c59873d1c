"""The contract as files: JSON Schemas, an AsyncAPI document and a page, all made from the models (`make contracts`)."""
