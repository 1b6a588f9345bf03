"""Pages and mails of operators."""
