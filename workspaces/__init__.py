"""Who works on what: the model of a research project and the files that describe one each."""
