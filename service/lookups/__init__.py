"""Who pays for each of very many projects: what is asked is read strictly, then answered from one snapshot."""
