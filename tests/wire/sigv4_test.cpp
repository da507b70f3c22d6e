// SPDX-License-Identifier: MIT
// The published vectors: of AWS's test suite for Signature Version 4, and of S3's documentation.
#include "wire/sigv4.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backends/s3/signer.hpp"

namespace {

using dcache::s3::Credentials;
using dcache::s3::sha256_hex;
using dcache::s3::Signer;
using dcache::sigv4::canonical_query;
using dcache::sigv4::canonical_request;
using dcache::sigv4::encode;
using dcache::sigv4::encode_path;
using dcache::sigv4::Field;
using dcache::sigv4::Fields;

const std::string nothing = sha256_hex("");

struct Vector {
  std::string name;
  std::string method;
  std::string path;
  Fields query;
  Fields headers;
  std::string signature;
};

void PrintTo(const Vector& vector, std::ostream* out) { *out << vector.name; }
std::string name_of(const testing::TestParamInfo<Vector>& info) { return info.param.name; }

std::string signature_in(const std::string& authorization) {
  return authorization.substr(authorization.rfind('=') + 1);
}

// --- S3's documentation, "Authenticating Requests: Using the Authorization Header" ---

class Documented : public testing::TestWithParam<Vector> {};

TEST_P(Documented, IsSignedAsPublished) {
  const Vector& vector = GetParam();
  const std::string hash = sha256_hex(vector.method == "PUT" ? "Welcome to Amazon S3." : "");
  Fields headers = vector.headers;
  Signer("s3").sign(
      {vector.method, vector.path, canonical_query(vector.query), hash, "us-east-1", 1'369'353'600},
      {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, headers);
  EXPECT_EQ(signature_in(headers.back().value), vector.signature);
}

const Field host = {"Host", "examplebucket.s3.amazonaws.com"};

INSTANTIATE_TEST_SUITE_P(
    S3, Documented,
    testing::Values(Vector{"GetObject",
                           "GET",
                           encode_path("/test.txt"),
                           {},
                           {host, {"Range", "bytes=0-9"}},
                           "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
                    Vector{"PutObject",
                           "PUT",
                           encode_path("/test$file.text"),
                           {},
                           {host,
                            {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                            {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                           "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
                    Vector{"GetBucketLifecycle",
                           "GET",
                           "/",
                           {{"lifecycle", ""}},
                           {host},
                           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
                    Vector{"ListObjects",
                           "GET",
                           "/",
                           {{"prefix", "J"}, {"max-keys", "2"}},
                           {host},
                           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}),
    name_of);

// --- AWS's test suite: any service, without a header for the hash ---

class Suite : public testing::TestWithParam<Vector> {};

TEST_P(Suite, IsSignedAsPublished) {
  const Vector& vector = GetParam();
  const std::string time = "20150830T123600Z";
  Fields headers = vector.headers;
  headers.push_back({"Host", "example.amazonaws.com"});
  headers.push_back({"X-Amz-Date", time});
  const auto canonical = canonical_request(
      {vector.method, vector.path, canonical_query(vector.query), headers, nothing});
  EXPECT_EQ(signature_in(Signer("service").authorization(
                canonical, {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, time,
                "us-east-1")),
            vector.signature)
      << canonical.text;
}

constexpr const char* unreserved =
    "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

INSTANTIATE_TEST_SUITE_P(
    Aws, Suite,
    testing::Values(
        Vector{"Vanilla",
               "GET",
               "/",
               {},
               {},
               "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        Vector{"PostVanilla",
               "POST",
               "/",
               {},
               {},
               "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        Vector{"QueryInAnyOrder",
               "GET",
               "/",
               {{"Param2", "value2"}, {"Param1", "value1"}},
               {},
               "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        Vector{"UnreservedInThePath",
               "GET",
               encode_path(std::string("/") + unreserved),
               {},
               {},
               "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
        Vector{"UnreservedInTheQuery",
               "GET",
               "/",
               {{unreserved, unreserved}},
               {},
               "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        Vector{"Utf8InThePath",
               "GET",
               encode_path("/\xE1\x88\xB4"),
               {},
               {},
               "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        Vector{"BlankInThePath",
               "GET",
               encode_path("/example space/"),
               {},
               {},
               "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        Vector{"HeaderTwice",
               "GET",
               "/",
               {},
               {{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}},
               "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
        Vector{"BlanksAroundHeaders",
               "GET",
               "/",
               {},
               {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}},
               "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"}),
    name_of);

// --- What S3 asks for beyond ---

TEST(Encoding, LeavesOnlyWhatIsUnreserved) {
  EXPECT_EQ(encode(unreserved), unreserved);
  EXPECT_EQ(encode(" +=:!*'()/%\xC3\xA9\x7F"), "%20%2B%3D%3A%21%2A%27%28%29%2F%25%C3%A9%7F");
}

TEST(Encoding, NeverMendsAPath) {
  EXPECT_EQ(encode_path("/b//a/../x/./y%2F"), "/b//a/../x/./y%252F");
}

TEST(Queries, AreSortedAsTheyAreSent) {
  EXPECT_EQ(canonical_query({{"b", ""}, {"a-b", "2"}, {"a", "3"}, {"a", "1"}, {"\xC3\xA9", "/"}}),
            "%C3%A9=%2F&a=1&a=3&a-b=2&b=");
}

TEST(Headers, ThatBeginAlikeAreSortedByName) {
  const Fields headers = {{"X-Amz-Meta-Test-Two", "2"}, {"x-amz-meta-test", "1"}};
  EXPECT_EQ(canonical_request({"GET", "/", "", headers, nothing}).signed_headers,
            "x-amz-meta-test;x-amz-meta-test-two");
}

TEST(Signatures, CoverTheSessionToken) {
  Fields headers = {{"host", "b"}};
  Signer("s3").sign({"GET", "/", "", nothing, "r", 0}, {"a", "s", "token"}, headers);
  EXPECT_NE(headers.back().value.find(
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token"),
            std::string::npos)
      << headers.back().value;
}

TEST(Timestamps, AreOfUtc) {
  EXPECT_EQ(dcache::sigv4::timestamp(0), "19700101T000000Z");
  EXPECT_EQ(dcache::sigv4::timestamp(1'440'938'160), "20150830T123600Z");
  EXPECT_EQ(dcache::sigv4::timestamp(4'107'542'399), "21000228T235959Z");
}

}  // namespace
