"""The wire: our own .proto sources; the code that is generated from them lies in the package `pb`."""
