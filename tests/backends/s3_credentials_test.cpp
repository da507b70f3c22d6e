// SPDX-License-Identifier: MIT
// Where credentials come from, in their order, and how they are renewed. A server of ours stands in
// for STS, the container and the machine.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "dcache/backends/s3.hpp"
#include "dcache/error.hpp"
#include "support/fault_server.hpp"
#include "support/folder.hpp"

#include "backends/s3/keyring.hpp"
#include "backends/s3/process.hpp"
#include "backends/s3/settings.hpp"
#include "backends/s3/sources.hpp"

namespace {

using namespace std::chrono_literals;
using dcache::ConfigError;
using dcache::S3Backend;
using dcache::S3Options;
using dcache::TierError;
using dcache::s3::Credentials;
using dcache::s3::find_credentials;
using dcache::s3::Keyring;
using dcache::test::FaultServer;
using dcache::test::Folder;

class S3Credentials : public testing::Test {
 protected:
  S3Credentials() {
    for (const char* const name :
         {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
          "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
          "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
          "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL",
          "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "DCACHE_S3_BUCKET",
          "DCACHE_S3_PREFIX"}) {
      ::unsetenv(name);
    }
    set("AWS_CONFIG_FILE", folder / "config");
    set("AWS_SHARED_CREDENTIALS_FILE", folder / "credentials");
    set("AWS_ENDPOINT_URL_STS", server.endpoint());
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.endpoint());
    server.tell("set machine no");
  }

  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder / name) << text;
    return folder / name;
  }
  // Whose key it is that was found, and which of those that were given out.
  static std::string found(const S3Options& options = {}) {
    return find_credentials(options, "eu-west-1").access_key;
  }

  Folder folder;
  FaultServer server;
};

TEST_F(S3Credentials, AreLookedForInOrder) {
  server.tell("set machine yes");
  EXPECT_EQ(found(), "MACHINE-1");
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.endpoint() + "/container");
  EXPECT_EQ(found(), "CONTAINER-2");
  write("credentials", "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n");
  EXPECT_EQ(found(), "FILE");
  set("AWS_WEB_IDENTITY_TOKEN_FILE", write("token", "the-identity\n"));
  set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
  EXPECT_EQ(found(), "WEB-the-identity-3");
  set("AWS_ACCESS_KEY_ID", "ENVIRONMENT");
  set("AWS_SECRET_ACCESS_KEY", "s");
  EXPECT_EQ(found(), "ENVIRONMENT");
  EXPECT_EQ(found({.access_key = "EXPLICIT", .secret_key = "s"}), "EXPLICIT");
  EXPECT_EQ(found({.profile = "default"}), "FILE") << "what the code names goes first";
  EXPECT_TRUE(find_credentials({.anonymous = true}, "r").anonymous);
}

TEST_F(S3Credentials, ThatAreNowhereSayWhereTheyWereLookedFor) {
  try {
    found();
    FAIL();
  } catch (const ConfigError& error) {
    for (const char* const place : {"access_key=", "AWS_ACCESS_KEY_ID", "AWS_ROLE_ARN", "profile",
                                    "AWS_CONTAINER_CREDENTIALS", "metadata service"}) {
      EXPECT_NE(std::string(error.what()).find(place), std::string::npos) << error.what();
    }
  }
  set("AWS_PROFILE", "nobody");
  EXPECT_THROW(found(), ConfigError);
  ::unsetenv("AWS_PROFILE");
  set("AWS_ACCESS_KEY_ID", "half");
  EXPECT_THROW(found(), ConfigError);
}

TEST_F(S3Credentials, OfARoleAreAskedForByTheKeysOfAnother) {
  write("config",
        "[profile app]\nrole_arn = arn:aws:iam::1:role/app\nsource_profile = base\n"
        "external_id = e\n[profile again]\nrole_arn = r\nsource_profile = app\n"
        "[profile itself]\nrole_arn = r\nsource_profile = itself\naws_access_key_id = OWN\n"
        "aws_secret_access_key = s\n[profile from_env]\nrole_arn = r\n"
        "credential_source = Environment\n[profile a]\nrole_arn = r\nsource_profile = b\n"
        "[profile b]\nrole_arn = r\nsource_profile = a\n[profile alone]\nrole_arn = r\n"
        "[profile forbidden]\nrole_arn = r/forbidden\nsource_profile = base\n");
  write("credentials", "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n");
  const Credentials role = find_credentials({.profile = "app"}, "eu-west-1");
  EXPECT_EQ(role.access_key, "ROLE-BASE-1");
  EXPECT_EQ(role.session_token, "a&b");
  EXPECT_GT(role.expires, dcache::engine::wall_now());
  EXPECT_EQ(found({.profile = "again"}), "ROLE-ROLE-BASE-2-3");
  EXPECT_EQ(found({.profile = "itself"}), "ROLE-OWN-4");
  EXPECT_THROW(found({.profile = "a"}), ConfigError) << "round in a circle";
  EXPECT_THROW(found({.profile = "alone"}), ConfigError);
  EXPECT_THROW(found({.profile = "forbidden"}), TierError);
  EXPECT_NE(server.tell("seen").find("POST / BASE eu-west-1"), std::string::npos);
}

TEST_F(S3Credentials, OfAProcessAreWhatItPrints) {
  write("config",
        "[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"P\","
        "\"SecretAccessKey\":\"s\"}'\n[profile bad]\ncredential_process = echo secret; exit 1\n");
  EXPECT_EQ(found(), "P");
  EXPECT_THROW(found({.profile = "bad"}), TierError);
}

TEST_F(S3Credentials, AProcessThatHangsIsKilled) {
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW(dcache::s3::output_of("sleep 60", 50ms), TierError);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
  EXPECT_THROW(dcache::s3::output_of("yes", 20'000ms), TierError) << "it writes without end";
}

TEST_F(S3Credentials, AProcessThatGoesOnAfterItHasAnsweredIsKilled) {
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW(dcache::s3::output_of("exec >&-; sleep 60", 100ms), TierError);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 20s);
}

TEST_F(S3Credentials, OfAProcessAreTakenWhereSomebodyElseAwaitsChildren) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);
  EXPECT_EQ(dcache::s3::output_of("echo hello", 10s), "hello\n");
  std::signal(SIGCHLD, before);
}

TEST_F(S3Credentials, AProcessHasSignalsAsAProgramExpectsThem) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  EXPECT_EQ(dcache::s3::output_of("sh -c 'kill -TERM $$'; echo $?", 10s), "143\n");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

TEST_F(S3Credentials, OfSingleSignOnSayTheWayOut) {
  write("config", "[profile sso]\nsso_session = x\nsso_account_id = 1\n");
  try {
    found({.profile = "sso"});
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("aws configure export-credentials --profile sso"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(S3Credentials, WithABlankOrALineBreakAreRefused) {
  set("AWS_ACCESS_KEY_ID", "KEY");
  set("AWS_SECRET_ACCESS_KEY", "hushed\r");
  try {
    found();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("the environment"), std::string::npos);
    EXPECT_EQ(std::string(error.what()).find("hushed"), std::string::npos) << error.what();
  }
  EXPECT_THROW(found({.access_key = "k", .secret_key = "s", .session_token = "t\r\nX: y"}),
               ConfigError);
}

TEST_F(S3Credentials, OfARoleComeFromAnEndpointWithAPathToo) {
  write("config",
        "[default]\nrole_arn = r\nsource_profile = default\n"
        "aws_access_key_id = BASE\naws_secret_access_key = s\n");
  set("AWS_ENDPOINT_URL_STS", server.endpoint() + "/sts/");
  EXPECT_EQ(found(), "ROLE-BASE-1");
  EXPECT_EQ(server.tell("headers Host"), "[\"127.0.0.1:" + server.port() + "\"]");
}

TEST_F(S3Credentials, OfAContainerAreAskedForWithItsToken) {
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.endpoint() + "/container");
  server.tell("set container_token the-token");
  EXPECT_THROW(found(), TierError);
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "the-token");
  EXPECT_EQ(found(), "CONTAINER-1");
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write("token", "the-token"));
  set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "another");
  EXPECT_EQ(found(), "CONTAINER-2");
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.evil.example/container");
  EXPECT_THROW(found(), ConfigError) << "the token would go there in the clear";
  set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:@evil.example/container");
  EXPECT_THROW(found(), ConfigError);
}

TEST_F(S3Credentials, OfAMachineAreNotLookedForWhereThatIsOff) {
  server.tell("set machine yes");
  set("AWS_EC2_METADATA_DISABLED", "true");
  EXPECT_THROW(found(), ConfigError);
  set("AWS_EC2_METADATA_DISABLED", "TRUE");
  EXPECT_THROW(found(), ConfigError);
  EXPECT_EQ(server.tell("seen"), "[]");
  ::unsetenv("AWS_EC2_METADATA_DISABLED");
  server.tell("set machine empty");
  EXPECT_THROW(found(), ConfigError) << "it has no role";
}

// --- Renewal ---

Credentials lasting(const std::string& name, std::chrono::nanoseconds span) {
  Credentials made;
  made.access_key = name;
  made.expires = dcache::engine::wall_now() + dcache::engine::microseconds(span);
  return made;
}

Keyring::Answer ask(const std::shared_ptr<Keyring>& keyring) {
  struct Told {
    std::mutex mutex;
    std::unique_ptr<Keyring::Answer> answer;
  };
  const auto told = std::make_shared<Told>();
  keyring->ask([told](const Keyring::Answer& answer) {
    const std::lock_guard lock(told->mutex);
    told->answer = std::make_unique<Keyring::Answer>(answer);
  });
  for (int i = 0; i < 10'000; ++i) {
    {
      const std::lock_guard lock(told->mutex);
      if (told->answer) return *told->answer;
    }
    std::this_thread::sleep_for(1ms);
  }
  return {};
}

TEST(Renewals, AreOneForAllWhoWait) {
  std::atomic<int> searches{0};
  const auto keyring = std::make_shared<Keyring>([&] {
    ++searches;
    std::this_thread::sleep_for(50ms);
    return lasting("a", 1h);
  });
  std::vector<std::thread> threads;
  std::atomic<int> fine{0};
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { fine += ask(keyring).credentials ? 1 : 0; });
  }
  for (std::thread& each : threads) each.join();
  EXPECT_EQ(fine, 8);
  EXPECT_EQ(searches, 1);
}

TEST(Renewals, ComeBeforeTheEndAndHoldNobodyUp) {
  std::atomic<int> searches{0};
  std::atomic<bool> go_on{false};
  const auto keyring = std::make_shared<Keyring>([&] {
    if (++searches == 1) return lasting("old", 10s);  // Less than is renewed ahead of.
    while (!go_on) std::this_thread::sleep_for(1ms);
    return lasting("new", 1h);
  });
  EXPECT_EQ(ask(keyring).credentials->access_key, "old");
  std::this_thread::sleep_for(Keyring::pause);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(keyring).credentials->access_key, "old");
  go_on = true;
  for (int i = 0; i < 5000 && ask(keyring).credentials->access_key == "old"; ++i) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(ask(keyring).credentials->access_key, "new");
  EXPECT_EQ(searches, 2);
}

TEST(Renewals, AreNotAskedForEachSecondOfASourceThatGivesShortOnes) {
  std::atomic<int> searches{0};
  const auto keyring = std::make_shared<Keyring>([&] {
    ++searches;
    return lasting("short", 4min);
  });
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ask(keyring).credentials);
    std::this_thread::sleep_for(Keyring::pause + 50ms);
  }
  EXPECT_EQ(searches, 1);
}

TEST(Renewals, ThatFailLeaveTheOldOnesUntilTheyEnd) {
  std::atomic<int> searches{0};
  const auto keyring = std::make_shared<Keyring>([&] {
    if (++searches == 1) return lasting("old", 2s);
    throw TierError("no answer");
  });
  EXPECT_TRUE(ask(keyring).credentials);
  std::this_thread::sleep_for(Keyring::pause + 100ms);
  EXPECT_TRUE(ask(keyring).credentials);
  std::this_thread::sleep_for(1s);
  const auto ended = ask(keyring);
  EXPECT_FALSE(ended.credentials);
  EXPECT_EQ(ended.trouble, "no answer");
  EXPECT_FALSE(ended.never);
}

TEST(Renewals, AFailureIsTheAnswerForAWhile) {
  std::atomic<int> searches{0};
  const auto keyring = std::make_shared<Keyring>([&]() -> Credentials {
    ++searches;
    throw ConfigError("none");
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(ask(keyring).never);
  EXPECT_EQ(searches, 1);
}

TEST_F(S3Credentials, ThatTheServerCallsEndedAreRenewedAtOnce) {
  server.tell("set machine yes");
  S3Backend s3({.bucket = "b", .endpoint = server.endpoint(), .timeout = 10s});
  s3.check();
  server.tell("set ended MACHINE-1");
  s3.check();
  EXPECT_NE(server.tell("seen").find("GET /b/dcache-check MACHINE-2"), std::string::npos);
}

// --- Bare ---

TEST_F(S3Credentials, ABareBackendTakesAllFromTheEnvironment) {
  S3Backend s3;
  try {
    s3.check();
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("DCACHE_S3_BUCKET"), std::string::npos);
  }
  set("DCACHE_S3_BUCKET", "env-bucket");
  set("DCACHE_S3_PREFIX", "env/prefix/");
  set("AWS_ENDPOINT_URL_S3", server.endpoint());
  set("AWS_ACCESS_KEY_ID", "ENVIRONMENT");
  set("AWS_SECRET_ACCESS_KEY", "s");
  set("AWS_REGION", "eu-north-1");
  s3.check();
  EXPECT_EQ(s3.name(), "s3://env-bucket/env/prefix");
  EXPECT_EQ(server.tell("seen"),
            R"(["GET /env-bucket/env/prefix/dcache-check ENVIRONMENT eu-north-1"])");
}

TEST_F(S3Credentials, AProfileHasRegionAndEndpoint) {
  write("config", "[profile p]\nregion = ap-south-1\nendpoint_url = " + server.endpoint() +
                      "\naws_access_key_id = P\naws_secret_access_key = s\n");
  S3Backend s3({.bucket = "b", .profile = "p"});
  s3.check();
  EXPECT_EQ(server.tell("seen"), R"(["GET /b/dcache-check P ap-south-1"])");
}

TEST_F(S3Credentials, ConfiguredEndpointsAreIgnoredWhereThatIsAskedFor) {
  set("AWS_ENDPOINT_URL", server.endpoint());
  set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
  EXPECT_EQ(dcache::s3::resolve({.bucket = "b"}).endpoint, "");
  EXPECT_EQ(dcache::s3::resolve({.bucket = "b", .endpoint = "http://own.example"}).endpoint,
            "http://own.example");
  ::unsetenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
  EXPECT_EQ(dcache::s3::resolve({.bucket = "b"}).endpoint, server.endpoint());
}

TEST_F(S3Credentials, APrefixIsTheSameHoweverManySlashesAreAroundIt) {
  for (const char* const prefix : {"app", "/app", "app/", "//app//"}) {
    EXPECT_EQ(dcache::s3::resolve({.bucket = "b", .prefix = prefix}).prefix, "app/");
    EXPECT_EQ(S3Backend({.bucket = "b", .prefix = prefix}).name(), "s3://b/app");
  }
  EXPECT_EQ(dcache::s3::resolve({.bucket = "b", .prefix = "//"}).prefix, "");
}

TEST_F(S3Credentials, OptionsThatCanNeverWorkAreRefusedAtOnce) {
  const auto refused = [](const S3Options& options) {
    EXPECT_THROW(S3Backend backend(options), ConfigError) << options.endpoint << options.prefix;
  };
  refused({.bucket = "a/b"});
  refused({.bucket = "b", .endpoint = "store.example"});
  refused({.bucket = "b", .endpoint = "https://me:secret@store.example"});
  const std::string http = "http:";
  for (const char* const rest : {"", "///path", "//store.example:port", "//store.example:99999",
                                 "//[::1", "//store.example/\x7f", "//store.example/?a=b"}) {
    refused({.bucket = "b", .endpoint = http + rest});
  }
  refused({.bucket = "b", .endpoint = "ftp://store.example"});
  for (const char* const rest : {"//[::1]:9000", "//store.example:9000/base/"}) {
    EXPECT_NO_THROW(S3Backend({.bucket = "b", .endpoint = http + rest})) << rest;
  }
  EXPECT_NO_THROW(S3Backend({.bucket = "b", .endpoint = "HTTPS://store.example"}));
  refused({.bucket = "b", .region = "evil.example/"});
  refused({.bucket = "b", .prefix = std::string(800, 'p')});
  refused({.bucket = "b", .prefix = "a\nb"});
  refused({.bucket = "b", .access_key = "a"});
  refused({.bucket = "b", .session_token = "t"});
  refused({.bucket = "b", .access_key = "a", .secret_key = "s", .anonymous = true});
  refused({.bucket = "b", .max_bytes = 0});
  refused({.bucket = "b", .timeout = 0s});
}

}  // namespace
