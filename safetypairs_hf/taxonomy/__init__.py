"""Categories, policy texts, and the crosswalk to the categories of other guards."""
