"""Web application: create_app, a blueprint per noun, thin views."""
