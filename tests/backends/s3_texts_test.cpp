// SPDX-License-Identifier: MIT
// What S3's backend reads and writes, without a server: replies, the shared files, answers with
// credentials, addresses, rules.
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "dcache/error.hpp"

#include "backends/s3/credential_texts.hpp"
#include "backends/s3/lifecycle.hpp"
#include "backends/s3/profiles.hpp"
#include "backends/s3/settings.hpp"
#include "backends/s3/signer.hpp"
#include "backends/s3/verdict.hpp"

namespace {

using dcache::http::Fault;
using dcache::http::Reply;
using dcache::s3::is_intact;
using dcache::s3::judge;
using dcache::s3::Meaning;
using dcache::s3::place_of;
using dcache::s3::Profiles;
using dcache::s3::Settings;

Reply reply(int status, const std::string& code = "", const std::string& more = "") {
  Reply made;
  made.status = status;
  made.body = "<Error><Code>" + code + "</Code>" + more + "</Error>";
  return made;
}

TEST(Verdict, IsOfStatusAndCode) {
  EXPECT_EQ(judge(reply(200)).meaning, Meaning::done);
  EXPECT_EQ(judge(reply(204)).meaning, Meaning::done);
  EXPECT_EQ(judge(reply(404, "NoSuchKey")).meaning, Meaning::missing);
  EXPECT_EQ(judge(reply(404)).meaning, Meaning::missing);
  EXPECT_EQ(judge(reply(404, "NoSuchBucket")).meaning, Meaning::denied);
  EXPECT_EQ(judge(reply(412)).meaning, Meaning::exists);
  EXPECT_EQ(judge(reply(409, "ConditionalRequestConflict")).meaning, Meaning::again);
  EXPECT_EQ(judge(reply(400, "RequestTimeout")).meaning, Meaning::again);
  EXPECT_EQ(judge(reply(400, "ExpiredToken")).meaning, Meaning::expired);
  EXPECT_EQ(judge(reply(403, "RequestTimeTooSkewed")).meaning, Meaning::skewed);
  EXPECT_EQ(judge(reply(403, "SignatureDoesNotMatch")).meaning, Meaning::denied);
  EXPECT_EQ(judge(reply(501, "NotImplemented")).meaning, Meaning::unsupported);
  EXPECT_EQ(judge(reply(400, "InvalidArgument")).meaning, Meaning::failed);
}

TEST(Verdict, TellsAServerThatRefusesFromOneThatStruggles) {
  EXPECT_TRUE(judge(reply(400, "InvalidArgument")).reachable);
  for (const int status : {403, 429, 500, 503}) EXPECT_FALSE(judge(reply(status)).reachable);
  Reply torn;
  torn.fault = Fault::broken;
  EXPECT_EQ(judge(torn).meaning, Meaning::again);
  torn.fault = Fault::timeout;
  EXPECT_EQ(judge(torn).meaning, Meaning::failed);
  EXPECT_FALSE(judge(torn).reachable);
}

TEST(Verdict, SendsToAnotherRegion) {
  Reply moved = reply(301, "PermanentRedirect");
  moved.headers = {{"x-amz-bucket-region", "eu-west-1"}};
  EXPECT_EQ(judge(moved).meaning, Meaning::elsewhere);
  EXPECT_EQ(judge(moved).region, "eu-west-1");
  const auto told =
      judge(reply(400, "AuthorizationHeaderMalformed", "<Region>eu-north-1</Region>"));
  EXPECT_EQ(told.meaning, Meaning::elsewhere);
  EXPECT_EQ(told.region, "eu-north-1");
  const auto nowhere = judge(reply(307, "TemporaryRedirect", "<Endpoint>evil.example</Endpoint>"));
  EXPECT_EQ(nowhere.meaning, Meaning::failed);
  // It becomes part of a host.
  const auto astray = judge(reply(301, "PermanentRedirect", "<Region>evil.example/</Region>"));
  EXPECT_EQ(astray.meaning, Meaning::failed);
  EXPECT_EQ(astray.region, "");
}

TEST(Bodies, AreWhatTheirETagSaysWhereThatIsADigest) {
  Reply got;
  got.status = 200;
  got.body = "hello";
  EXPECT_TRUE(is_intact(got)) << "none";
  got.headers = {{"etag", "\"5d41402abc4b2a76b9719d911017c592\""}};
  EXPECT_TRUE(is_intact(got));
  got.body = "hellp";
  EXPECT_FALSE(is_intact(got));
  got.headers.push_back({"x-amz-server-side-encryption", "aws:kms"});
  EXPECT_TRUE(is_intact(got)) << "of something else";
  got.headers = {{"etag", "\"5d41402abc4b2a76b9719d911017c592-2\""}};
  EXPECT_TRUE(is_intact(got)) << "of parts";
}

TEST(SharedFiles, AreReadByProfile) {
  const Profiles profiles(
      "[default]\nregion = eu-west-1\n# aws_access_key_id = no\n[profile  work ]\n"
      "role_arn=arn:aws:iam::1:role/r\r\ns3 =\n  region = nested\nREGION = us-west-2\n"
      "[sso-session x]\nregion = none\n[profilework]\nregion = none\n",
      "[default]\naws_access_key_id = A\naws_secret_access_key = a/b=c\nregion = us-east-2\n"
      "[only]\naws_access_key_id=B");
  EXPECT_EQ(profiles.find("default")->at("region"), "us-east-2") << "credentials go before config";
  EXPECT_EQ(profiles.find("default")->at("aws_secret_access_key"), "a/b=c");
  EXPECT_EQ(profiles.find("work")->at("role_arn"), "arn:aws:iam::1:role/r");
  EXPECT_EQ(profiles.find("work")->at("region"), "us-west-2");
  EXPECT_EQ(profiles.find("only")->at("aws_access_key_id"), "B");
  EXPECT_EQ(profiles.find("x"), nullptr);
  EXPECT_EQ(profiles.find("profilework"), nullptr);
}

TEST(SharedFiles, MayHaveNamesInQuotationMarks) {
  const Profiles profiles("[profile \"my work\"]\nregion = r\n",
                          "[my work]\naws_access_key_id = A\n");
  ASSERT_NE(profiles.find("my work"), nullptr);
  EXPECT_EQ(profiles.find("my work")->at("region"), "r");
  EXPECT_EQ(profiles.find("my work")->at("aws_access_key_id"), "A");
}

TEST(Moments, AreOfRfc3339) {
  using dcache::s3::moment_of;
  EXPECT_EQ(moment_of("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(moment_of("2015-08-30T12:36:00.123Z"), 1'440'938'160'000'000);
  EXPECT_EQ(moment_of("2015-08-30T14:36:00+02:00"), 1'440'938'160'000'000);
  EXPECT_EQ(moment_of("2015-08-30T12:06:00-00:30"), 1'440'938'160'000'000);
  for (const char* const text : {"", "tomorrow", "2015-08-30", "2015-13-30T12:36:00Z",
                                 "2015-08-30T12:36:00", "2015-08-30T12:36:00 UTC"}) {
    EXPECT_EQ(moment_of(text), std::nullopt) << text;
  }
}

TEST(Answers, HaveCredentialsOrSayWhatIsWrong) {
  using dcache::s3::credentials_in_json;
  using dcache::s3::credentials_in_xml;
  const auto keys = credentials_in_json(
      R"({"Version":1,"AccessKeyId":"a","SecretAccessKey":"s","SessionToken":"t",)"
      R"("Expiration":"1970-01-01T00:00:01Z"})",
      "x");
  EXPECT_EQ(keys.access_key + keys.secret_key + keys.session_token, "ast");
  EXPECT_EQ(keys.expires, 1'000'000);
  for (const char* const text :
       {"", "no", "{}", R"({"Code":"AssumeRoleUnauthorizedAccess","AccessKeyId":"hushed"})",
        R"({"AccessKeyId":"hushed"})",
        R"({"AccessKeyId":"hushed","SecretAccessKey":"hushed","Expiration":"soon"})"}) {
    try {
      credentials_in_json(text, "x");
      FAIL() << text;
    } catch (const dcache::TierError& error) {
      EXPECT_EQ(std::string(error.what()).find("hushed"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(credentials_in_xml("<Error><Code>AccessDenied</Code></Error>", "x"),
               dcache::TierError);
}

TEST(Places, AreInThePathOfAnEndpointAndInFrontOfTheHostOfAws) {
  Settings settings;
  settings.bucket = "b";
  settings.prefix = "p/";
  const auto aws = place_of(settings, "eu-west-1", "k:1//../ +");
  EXPECT_EQ(aws.base, "https://b.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(aws.host, "b.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(aws.path, "/p/k%3A1//../%20%2B");
  EXPECT_EQ(place_of(settings, "cn-north-1", "k").host, "b.s3.cn-north-1.amazonaws.com.cn");
  settings.bucket = "b.c";
  EXPECT_EQ(place_of(settings, "eu-west-1", "k").host, "s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(place_of(settings, "eu-west-1", "k").path, "/b.c/p/k");
  settings.bucket = "Old_Bucket";
  EXPECT_EQ(place_of(settings, "us-east-1", "k").host, "s3.us-east-1.amazonaws.com");
  settings.bucket = "b.c";
  settings.endpoint = "https://store.example:443/s3";
  EXPECT_EQ(place_of(settings, "r", "k").host, "store.example") << "as it is sent";
  EXPECT_EQ(place_of(settings, "r", "k").path, "/s3/b.c/p/k");
  EXPECT_EQ(place_of(settings, "r", "").path, "/s3/b.c/");
  settings.endpoint = "http://store.example:9000";
  EXPECT_EQ(place_of(settings, "r", "k").host, "store.example:9000");
  EXPECT_FALSE(place_of(settings, "r", "k").https);
}

// A line for the prefix "a&b/", one for none; Python makes the same (test_s3.py).
TEST(Rules, AreOneForEachClass) {
  std::ifstream golden(DCACHE_GOLDEN "/lifecycle.xml");
  for (const char* const prefix : {"a&b/", ""}) {
    std::string line;
    ASSERT_TRUE(std::getline(golden, line));
    EXPECT_EQ(dcache::s3::lifecycle_rules(prefix), line);
  }
}

TEST(Hashes, AreAsOthersHaveThem) {
  EXPECT_EQ(dcache::s3::base64("a"), "YQ==");
  EXPECT_EQ(dcache::s3::base64(dcache::s3::md5("hello")), "XUFAKrxLKna5cZ2REBfFkg==");
}

}  // namespace
