"""What tests share; imported as `support`, from the folder that pytest puts on the path."""
