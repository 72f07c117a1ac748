"""Documents, paragraphs and lines that others have too."""
