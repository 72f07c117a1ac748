"""Files of LiteRT: the graph of an encoder task, with strings in where they can be."""
