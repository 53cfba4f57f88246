"""What both forms of gunicorn share."""

bind = "127.0.0.1:0"
# It would be a file in the home directory. Versions that have no such socket ignore this.
control_socket_disable = True
