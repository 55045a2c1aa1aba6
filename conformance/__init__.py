"""How strictly fasterapi follows RFC 6455: the Autobahn cases, and a server to run them against."""
