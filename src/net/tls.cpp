// SPDX-License-Identifier: MIT
#include "net/tls.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "dcache/error.hpp"

namespace dcache::net {
namespace {

// Bytes of one record of TLS.
constexpr std::size_t record_max = std::size_t{16} << 10U;

// What OpenSSL noted on this thread last, and forgets. Where the system refused something first,
// that is what it is about.
std::string last_error() {
  const unsigned long first = ERR_peek_error();
  const unsigned long last = ERR_peek_last_error();
  ERR_clear_error();
  if (ERR_SYSTEM_ERROR(first)) return describe(ERR_GET_REASON(first));
  const char* const reason = ERR_reason_error_string(last);
  return reason != nullptr ? reason : "unknown error";
}

// Whether the other side has refused what we showed.
bool is_about_ours(unsigned long code) noexcept {
  const int reason = ERR_GET_REASON(code);
  return ERR_GET_LIB(code) == ERR_LIB_SSL &&
         (reason == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED ||
          reason == SSL_R_TLSV1_ALERT_UNKNOWN_CA || reason == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE);
}

bool is_address(const std::string& name) {
  std::array<unsigned char, sizeof(in6_addr)> ignored{};
  return ::inet_pton(AF_INET, name.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), ignored.data()) == 1;
}

// --- A BIO over a socket that raises no SIGPIPE, which OpenSSL's own does ---

int number_of(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

void set_number(BIO* bio, int number) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a BIO has room for a pointer only.
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(number)));
}

bool try_later() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

int bio_read(BIO* bio, char* place, int size) {
  const auto got =
      static_cast<int>(::recv(number_of(bio), place, static_cast<std::size_t>(size), 0));
  BIO_clear_retry_flags(bio);
  if (got < 0 && try_later()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return got;
}

int bio_write(BIO* bio, const char* bytes, int size) {
  const auto put =
      static_cast<int>(::send(number_of(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL));
  BIO_clear_retry_flags(bio);
  if (put < 0 && try_later()) BIO_set_retry_write(bio);
  return put;
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

int bio_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// An SSL object is not for two threads at once; all of its calls are short, for none blocks.
class TlsStream final : public Stream {
 public:
  TlsStream(Socket socket, SSL* ssl) noexcept : socket_(std::move(socket)), ssl_(ssl) {}
  ~TlsStream() override { SSL_free(ssl_); }

  Step handshake() override {
    return step([this](std::size_t&) { return SSL_connect(ssl_); });
  }

  Step read(char* place, std::size_t size, bool) override {
    return step([&](std::size_t& bytes) { return SSL_read_ex(ssl_, place, size, &bytes); });
  }

  // Small pieces share a record; a large one is not copied.
  Step write(std::span<const std::string_view> pieces) override {
    std::array<char, record_max> record;
    Step all;
    while (!pieces.empty()) {
      std::string_view next = pieces.front();
      std::size_t used = 1;
      if (pieces.size() > 1 && next.size() < record.size()) {
        std::size_t filled = 0;
        for (used = 0; used < pieces.size(); ++used) {
          if (pieces[used].size() > record.size() - filled) break;
          std::memcpy(record.data() + filled, pieces[used].data(), pieces[used].size());
          filled += pieces[used].size();
        }
        next = {record.data(), filled};
      }
      Step one = write(next);
      if (one.state != Step::State::moved) return all.bytes > 0 ? all : one;
      all.state = Step::State::moved;
      all.bytes += one.bytes;
      if (one.bytes < next.size()) return all;
      pieces = pieces.subspan(used);
    }
    return all;
  }

  bool can_wait() const noexcept override { return false; }
  bool short_read_is_last() const noexcept override { return false; }
  void shut_down() noexcept override { ::shutdown(socket_.number(), SHUT_RDWR); }
  int descriptor() const noexcept override { return socket_.number(); }

 private:
  Step write(std::string_view bytes) {
    return step(
        [&](std::size_t& sent) { return SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent); });
  }

  template <class Call>
  Step step(const Call& call) {
    const std::lock_guard lock(mutex_);
    ERR_clear_error();
    errno = 0;
    std::size_t bytes = 0;
    const int result = call(bytes);
    switch (SSL_get_error(ssl_, result)) {
      case SSL_ERROR_NONE:
        return {.state = Step::State::moved, .bytes = bytes};
      case SSL_ERROR_WANT_READ:
        return {};
      case SSL_ERROR_WANT_WRITE:
        return {.wants_write = true};
      case SSL_ERROR_ZERO_RETURN:
        return {.state = Step::State::ended};
      case SSL_ERROR_SYSCALL:
        if (errno == 0) return {.state = Step::State::ended};
        return {.state = Step::State::failed, .why = describe(errno)};
      default:
        return {.state = Step::State::failed, .rejected = true, .why = why_rejected()};
    }
  }

  std::string why_rejected() const {
    const long verdict = SSL_get_verify_result(ssl_);
    const bool ours = is_about_ours(ERR_peek_last_error());
    std::string why = "TLS: " + last_error();
    if (ours) return why + "; `certificate_file` says what certificate is shown";
    if (verdict == X509_V_OK) return why;
    why += std::string(": ") + X509_verify_cert_error_string(verdict);
    const bool is_name =
        verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return why + (is_name ? "; `server_name` says for whom the certificate has to be"
                          : "; `ca_file` says whose certificates are trusted");
  }

  const Socket socket_;
  std::mutex mutex_;
  SSL* const ssl_;
};

SSL_CTX* new_context() noexcept {
  // OpenSSL would take itself apart at exit, under threads that end later and have things of it.
  OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, nullptr);
  return SSL_CTX_new(TLS_client_method());
}

}  // namespace

struct TlsContext::Parts {
  SSL_CTX* context = new_context();
  BIO_METHOD* method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "dcache");
  std::string name;
  bool check_name = true;

  Parts() = default;
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() {
    SSL_CTX_free(context);
    BIO_meth_free(method);
  }

  void trust(const TlsOptions& options) const {
    const char* const file = options.ca_file.c_str();
    if (options.ca_file.empty()) {
      SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_file(context, file) != 1) {
      throw ConfigError("dcache: ca_file " + options.ca_file +
                        " cannot be used; expected a file of certificates in PEM: " + last_error());
    }
    SSL_CTX_set_verify(context, options.check_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                       nullptr);
  }

  void show(const TlsOptions& options) const {
    const std::string& chain = options.certificate_file;
    const std::string& key = options.key_file;
    if (chain.empty() != key.empty()) {
      throw ConfigError("dcache: certificate_file and key_file go together; only " +
                        std::string(key.empty() ? "certificate_file" : "key_file") + " is there");
    }
    if (chain.empty()) return;
    if (SSL_CTX_use_certificate_chain_file(context, chain.c_str()) != 1) {
      throw ConfigError("dcache: certificate_file " + chain +
                        " cannot be used; expected certificates in PEM: " + last_error());
    }
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
      throw ConfigError(
          "dcache: key_file " + key +
          " cannot be used; expected the key of certificate_file in PEM: " + last_error());
    }
  }
};

TlsContext::TlsContext(const TlsOptions& options, const std::string& host)
    : parts_(std::make_unique<Parts>()) {
  if (parts_->context == nullptr || parts_->method == nullptr) throw std::bad_alloc();
  parts_->name = options.server_name.empty() ? host : options.server_name;
  parts_->check_name = options.check_name && options.check_certificate;
  SSL_CTX_set_min_proto_version(parts_->context, TLS1_2_VERSION);
  // Without renegotiation writing never has to read. A reply says itself where it ends, so that
  // nobody is fooled by an end without a good-bye.
  SSL_CTX_set_options(parts_->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(parts_->context,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  parts_->trust(options);
  parts_->show(options);
  BIO_meth_set_read(parts_->method, bio_read);
  BIO_meth_set_write(parts_->method, bio_write);
  BIO_meth_set_ctrl(parts_->method, bio_control);
  BIO_meth_set_create(parts_->method, bio_create);
}

TlsContext::~TlsContext() = default;

std::unique_ptr<Stream> TlsContext::wrap(Socket socket) const {
  SSL* const ssl = SSL_new(parts_->context);
  BIO* const bio = BIO_new(parts_->method);
  if (ssl == nullptr || bio == nullptr) throw std::bad_alloc();
  set_number(bio, socket.number());
  SSL_set_bio(ssl, bio, bio);
  if (is_address(parts_->name)) {
    X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl);
    if (parts_->check_name) X509_VERIFY_PARAM_set1_ip_asc(wanted, parts_->name.c_str());
  } else {
    // The macro of this has a cast that our warnings do not let through.
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(parts_->name.c_str()));
    if (parts_->check_name) SSL_set1_host(ssl, parts_->name.c_str());
  }
  return std::make_unique<TlsStream>(std::move(socket), ssl);
}

}  // namespace dcache::net
