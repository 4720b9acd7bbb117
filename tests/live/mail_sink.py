# SPDX-License-Identifier: MIT
"""A mail server for tests: takes what it is sent by SMTP, with STARTTLS where it has a certificate,
and with a login where it wants one."""
import base64
import email
import socket
import socketserver
import ssl
import subprocess
import threading

from gateway import until


def make_certificate(folder):
    """A certificate for localhost, which is its own authority, and its key."""
    cert, key = folder / "mail.pem", folder / "mail.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class MailSink:
    def __init__(self, certificate=None, login=None):
        sink = self
        self.mails, self.logins, self.lock = [], [], threading.Lock()
        self.tls_mails = 0

        class Handler(socketserver.BaseRequestHandler):
            def say(self, text):
                self.request.sendall(text.encode() + b"\r\n")

            def line(self):
                got = b""
                while not got.endswith(b"\r\n"):
                    byte = self.request.recv(1)
                    if not byte:
                        raise ConnectionError
                    got += byte
                return got[:-2].decode()

            def handle(self):
                try:
                    self.talk()
                except (ConnectionError, ssl.SSLError):
                    pass

            def talk(self):
                sender, to, secure, known = None, [], False, login is None
                self.say("220 localhost ready")
                while True:
                    line = self.line()
                    word = line.split()[0].upper() if line.split() else ""
                    if word in ("EHLO", "HELO"):
                        more = ["STARTTLS"] if certificate and not secure else []
                        more += ["AUTH PLAIN"] if login and (secure or not certificate) else []
                        words = ["localhost", *more, "8BITMIME"]
                        for w in words[:-1]:
                            self.say("250-" + w)
                        self.say("250 " + words[-1])
                    elif word == "STARTTLS":
                        self.say("220 go on")
                        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                        context.load_cert_chain(*certificate)
                        self.request = context.wrap_socket(self.request, server_side=True)
                        secure = True
                    elif word == "AUTH":
                        parts = line.split()
                        if len(parts) < 3:
                            self.say("334 ")
                            parts.append(self.line())
                        _, user, password = base64.b64decode(parts[2]).decode().split("\0")
                        sink.logins.append((user, password, secure))
                        known = (user, password) == login
                        self.say("235 well" if known else "535 no")
                    elif word == "MAIL":
                        sender = line
                        self.say("250 ok" if known else "530 who are you")
                    elif word == "RCPT":
                        to.append(line.split("<")[1].split(">")[0])
                        self.say("250 ok")
                    elif word == "DATA":
                        self.say("354 go on")
                        lines = []
                        while (one := self.line()) != ".":
                            lines.append(one)
                        with sink.lock:
                            sink.mails.append((to, email.message_from_string("\r\n".join(lines))))
                            sink.tls_mails += secure
                        to = []
                        self.say("250 taken")
                    elif word == "QUIT":
                        self.say("221 bye")
                        return
                    else:
                        self.say("250 ok" if word in ("RSET", "NOOP") else "502 what")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads, address_family = True, True, socket.AF_INET

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def wait(self, n, timeout=30):
        return until(lambda: len(self.mails) >= n and list(self.mails), timeout)
