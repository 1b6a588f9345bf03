"""Single sign-on: users who prove elsewhere who they are."""
