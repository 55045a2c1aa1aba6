"""Small applications to read, to run and to copy from; ``demo`` serves them all under one page."""
