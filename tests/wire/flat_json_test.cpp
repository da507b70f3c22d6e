// SPDX-License-Identifier: MIT
#include "wire/flat_json.hpp"

#include <string>

#include <gtest/gtest.h>

namespace {

using dcache::json::flat_object;

TEST(FlatJson, HasTheMembersOfAnObject) {
  const auto members = flat_object(
      R"( {"Version": 1, "AccessKeyId" : "a/+\"\\\/\n\u00e9\ud83d\ude00", "none": null,)"
      R"( "nested": {"AccessKeyId": "other", "list": [1, {"a": []}, "]"]}, "last": true} )");
  ASSERT_TRUE(members);
  EXPECT_EQ(members->at("Version"), "1");
  EXPECT_EQ(members->at("AccessKeyId"), "a/+\"\\/\n\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_EQ(members->at("none"), "null");
  EXPECT_EQ(members->at("last"), "true");
  EXPECT_EQ(members->count("nested"), 0U);
  EXPECT_EQ(flat_object("{}")->size(), 0U);
}

TEST(FlatJson, RefusesWhatIsNone) {
  for (const char* const text :
       {"", "[]", "{", R"({"a"})", R"({"a":})", R"({"a":1,})", R"({"a":1} x)", "{a:1}", R"({"a":")",
        R"({"a":"\x"})", R"({"a":"\u12"})", R"({"a":"\ud83d\u0041"})", R"({"a":[1})", R"("a")"}) {
    EXPECT_FALSE(flat_object(text)) << text;
  }
  EXPECT_FALSE(flat_object(R"({"a":)" + std::string(100'000, '[') + '}')) << "too deep";
}

}  // namespace
