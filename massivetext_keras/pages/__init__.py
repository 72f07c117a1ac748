"""Pages about data and models, without scripts: they work offline and on paper."""
