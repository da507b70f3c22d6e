// SPDX-License-Identifier: MIT
/// TLS of a client, by OpenSSL 3: at least TLS 1.2, certificates and names checked.
#pragma once

#include <memory>
#include <string>

#include "net/socket.hpp"
#include "net/stream.hpp"

namespace dcache::net {

struct TlsOptions {
  /// Trusted instead of the system's: a file of certificates in PEM. Empty: the system's.
  std::string ca_file = {};
  /// What this side shows, both or none: a chain of certificates and its key, in PEM.
  std::string certificate_file = {};
  std::string key_file = {};
  /// The name or address that the server's certificate has to be for. Empty: the endpoint's host.
  std::string server_name = {};
  /// False: any name will do, if the certificate is trusted.
  bool check_name = true;
  /// False: any certificate will do, which protects from nobody who can answer in its place.
  bool check_certificate = true;
};

/// What all connections of a node share. Any thread.
class TlsContext {
 public:
  /// Reads the files. Throws ConfigError, naming the option, if one can not be used.
  /// `host`: of the endpoint, for where `server_name` is empty.
  TlsContext(const TlsOptions& options, const std::string& host);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  /// A stream over a connected socket, whose handshake is still to be made.
  std::unique_ptr<Stream> wrap(Socket socket) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dcache::net
