"""The questions of docs/contract.md, section 11: typed answers, each from one snapshot; nothing is written or locked.

Importing this package imports nothing: `whopays who` needs only the driver.
"""
