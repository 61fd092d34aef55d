"""The commands of C{pkdoors fleet}, one module a command or more. L{fleet} lists them."""
