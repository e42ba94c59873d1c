"""What whopays is built from: a bill of materials, and the licences of all packages."""
