// SPDX-License-Identifier: MIT
#include "net/tls.hpp"

#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "dcache/error.hpp"
#include "support/folder.hpp"
#include "support/threads.hpp"

#include "net/certificates.hpp"
#include "net/echo.hpp"
#include "net/node.hpp"

namespace dcache::net {
namespace {

using engine::Ref;
using namespace test;  // NOLINT(google-build-using-namespace)

class Tls : public ::testing::Test {
 protected:
  Tls() {
    authority_.write(folder_ / "ca.pem", folder_ / "ca.key");
    stranger_.write(folder_ / "stranger.pem", folder_ / "stranger.key");
    client_.write(folder_ / "client.pem", folder_ / "client.key");
  }

  // A server with this certificate, and a node that trusts our authority.
  void serve(const Certificate& certificate, const Certificate* clients = nullptr,
             int version_max = TLS1_3_VERSION) {
    node_ = nullptr;
    server_ = nullptr;
    context_ = server_context(certificate, clients, version_max);
    server_ = std::make_unique<EchoServer>(EchoServer::Options{.tls = context_.get()});
    options_ = server_->options();
    options_.endpoint.host = "localhost";
    options_.connect_timeout = 10s;
    options_.tls = TlsOptions{.ca_file = folder_ / "ca.pem"};
  }
  Node& node() {
    if (!node_) node_ = std::make_unique<Node>(options_, std::make_shared<EchoProtocol>());
    return *node_;
  }
  // Why there is no connection.
  std::string why_rejected() {
    const auto request = ask(node(), "x");
    EXPECT_EQ(request->fault(), Fault::rejected);
    return request->why();
  }

  const dcache::test::Folder folder_;
  const Certificate authority_{"our authority", "", nullptr};
  const Certificate stranger_{"another authority", "", nullptr};
  const Certificate server_certificate_{"server", "DNS:localhost,IP:127.0.0.1", &authority_};
  const Certificate client_{"client", "", &authority_};
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{nullptr, SSL_CTX_free};
  std::unique_ptr<EchoServer> server_;
  NodeOptions options_;
  std::unique_ptr<Node> node_;
};

TEST_F(Tls, ACertificateOfOurAuthorityIsTrusted) {
  serve(server_certificate_);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ask(node(), "hello")->reply, "hello");
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(Tls, AnAddressIsANameAsWell) {
  serve(server_certificate_);
  options_.endpoint.host = "127.0.0.1";
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
}

TEST_F(Tls, ACertificateOfAnotherAuthorityIsRefused) {
  const Certificate foreign("server", "DNS:localhost", &stranger_);
  serve(foreign);
  const std::string why = why_rejected();
  EXPECT_NE(why.find("certificate"), std::string::npos) << why;
  EXPECT_NE(why.find("`ca_file`"), std::string::npos) << why;
}

TEST_F(Tls, WithoutAnAuthorityOfOursTheSystemsAreTrusted) {
  serve(server_certificate_);
  options_.tls->ca_file = "";
  EXPECT_NE(why_rejected().find("`ca_file`"), std::string::npos);
}

TEST_F(Tls, ACertificateForAnotherNameIsRefused) {
  const Certificate other("server", "DNS:other.example", &authority_);
  serve(other);
  const std::string why = why_rejected();
  EXPECT_NE(why.find("mismatch"), std::string::npos) << why;
  EXPECT_NE(why.find("`server_name`"), std::string::npos) << why;
}

TEST_F(Tls, TheNameCanBeSaidOrLeftUnchecked) {
  const Certificate other("server", "DNS:other.example", &authority_);
  serve(other);
  options_.tls->server_name = "other.example";
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
  node_ = nullptr;
  options_.tls->server_name = "";
  options_.tls->check_name = false;
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
}

TEST_F(Tls, UncheckedCertificatesAreTakenOnlyWhereOneSaysSo) {
  const Certificate foreign("server", "DNS:other.example", &stranger_);
  serve(foreign);
  options_.tls->check_certificate = false;
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
}

TEST_F(Tls, AServerThatWantsACertificateGetsOurs) {
  serve(server_certificate_, &authority_);
  options_.tls->certificate_file = folder_ / "client.pem";
  options_.tls->key_file = folder_ / "client.key";
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
}

TEST_F(Tls, AServerThatWantsACertificateAndGetsNoneSaysSo) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    serve(server_certificate_, &authority_, version);
    const auto request = ask(node(), "x");
    EXPECT_NE(request->fault(), Fault::none);
    // Under TLS 1.3 the client learns it only after its handshake.
    if (version == TLS1_2_VERSION) {
      EXPECT_EQ(request->fault(), Fault::rejected);
    }
    EXPECT_NE(request->why(), "");
  }
}

TEST_F(Tls, OldVersionsAreRefused) {
  serve(server_certificate_, nullptr, TLS1_1_VERSION);
  why_rejected();
}

TEST_F(Tls, Version12Works) {
  serve(server_certificate_, nullptr, TLS1_2_VERSION);
  EXPECT_EQ(ask(node(), "hello")->reply, "hello");
}

TEST_F(Tls, APeerThatDoesNotSpeakItIsRejected) {
  serve(server_certificate_);
  server_ = std::make_unique<EchoServer>();
  options_.endpoint.port = static_cast<std::uint16_t>(server_->port());
  options_.connect_timeout = 500ms;
  EXPECT_NE(ask(node(), "x")->fault(), Fault::none);
}

TEST_F(Tls, ManyCallersAndLargeValuesShareAConnection) {
  serve(server_certificate_);
  Node& shared = node();
  dcache::testing::run_together(8, [&](int number) {
    for (int i = 0; i < 50; ++i) {
      std::string bytes = std::to_string(number) + ":" + std::to_string(i);
      if (i % 10 == 0) bytes.append(200'000, 'x');
      const auto request = ask(shared, bytes);
      ASSERT_EQ(request->fault(), Fault::none) << request->why();
      ASSERT_EQ(request->reply, bytes);
    }
  });
  EXPECT_EQ(server_->accepted(), 1);
}

TEST_F(Tls, AnEndIsNoticedAndTheNextConnectionWorks) {
  serve(server_certificate_);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(ask(node(), "hello")->reply, "hello");
    EXPECT_EQ(ask(node(), "half and no more")->fault(), Fault::unavailable);
  }
}

TEST_F(Tls, FilesThatCannotBeUsedAreErrorsAtOnce) {
  serve(server_certificate_);
  const auto made = [&](TlsOptions tls) {
    NodeOptions options = options_;
    options.tls = std::move(tls);
    const Node node(options, std::make_shared<EchoProtocol>());
  };
  const std::string ca = folder_ / "ca.pem";
  const std::string client = folder_ / "client.pem";
  const std::string key = folder_ / "client.key";
  EXPECT_NO_THROW(made({.ca_file = ca, .certificate_file = client, .key_file = key}));
  EXPECT_THROW(made({.ca_file = folder_ / "none.pem"}), ConfigError);
  EXPECT_THROW(made({.ca_file = key}), ConfigError);
  EXPECT_THROW(made({.ca_file = ca, .certificate_file = client}), ConfigError);
  EXPECT_THROW(made({.ca_file = ca, .key_file = key}), ConfigError);
  EXPECT_THROW(made({.certificate_file = client, .key_file = folder_ / "ca.key"}), ConfigError);
  try {
    made({.ca_file = folder_ / "none.pem"});
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("ca_file"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("none.pem"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("No such file"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace dcache::net
