"""Loading and saving: loaders, savers, and the requests and nodes that use them."""
