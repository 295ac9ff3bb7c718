package authserver_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// proofs says which test shows what an authorization server must do. Whoever removes or renames a test hears about it.
var proofs = map[string][]string{
	"a code works once, also for eight at a time":                        {"TestEachCodeWorksOnce"},
	"a refresh token works once, also for eight at a time":               {"TestEachRefreshTokenWorksOnce"},
	"a device code works once, also for eight at a time":                 {"TestEachDeviceCodeWorksOnce"},
	"a code lives for 60 seconds":                                        {"TestCodeExpires"},
	"a code's second use revokes what the first gave":                    {"TestCodeReuseRevokesWhatItGave", "TestSecondUseOfACodeAfterAShortToken"},
	"a code is bound to client, redirect URI and verifier":               {"TestCodeIsBound"},
	"a verifier without a challenge is refused":                          {"TestCodeIsBound"},
	"public clients must use PKCE, with S256":                            {"TestAuthorizeErrors"},
	"redirect URIs match byte for byte, native ones but for the port":    {"TestRedirectURI"},
	"faults of client and redirect URI are never redirected":             {"TestAuthorizeErrors", "FuzzAuthorize"},
	"redirects after a post are 303":                                     {"TestDeny", "TestForgedAnswers"},
	"answers carry iss":                                                  {"TestCode", "TestAuthorizeErrors"},
	"reuse of a refresh token ends its login, and no other":              {"TestKindsOfRotation", "TestReuseEndsOneLoginOnly"},
	"every kind of rotation and grace":                                   {"TestKindsOfRotation", "TestSiblingsAtOnce", "TestGraceGivesEverybodyTheSameSuccessor", "TestGraceEnds"},
	"idle and absolute lifetimes":                                        {"TestLifetimes", "TestUnrotatedLifetime"},
	"a token issued again tells what is left of it":                      {"TestBreakOut", "TestReissueGivesParallelLoginsOneToken", "TestReissueAfterRevocation", "TestReissueWithNothingLeft"},
	"a refresh never widens the scope":                                   {"TestScopeNeverWidens", "TestScopeGames", "TestReissueNeverWidens"},
	"a code or refresh token of another client is of no use":             {"TestCodeIsBound", "TestRefreshByAnotherClient", "TestDeviceRequests"},
	"parameters come once":                                               {"TestNoEndpointTakes", "TestNoPageTakes", "TestAuthorizeErrors", "TestStateTwice"},
	"bodies are bounded":                                                 {"TestNoEndpointTakes", "TestNoPageTakes", "TestAuthorizeMethodsAndSize", "TestBodiesOfOtherLengths"},
	"only the registered content type is read":                           {"TestNoEndpointTakes", "TestNoPageTakes", "TestTwoContentTypes", "TestUshahidi"},
	"unknown grants are refused":                                         {"TestTokenErrors"},
	"the token endpoint takes POST only":                                 {"TestNoEndpointTakes", "TestTokenErrors"},
	"error answers have RFC 6749's status, code and challenge":           {"TestTokenErrors", "TestNoEndpointTakes"},
	"answers are not cached":                                             {"TestTokenErrors", "TestNoEndpointTakes"},
	"Basic is read encoded and raw, in any case":                         {"TestTokenErrors", "TestBasicEncodings", "TestUlule"},
	"wrong passwords are limited per account and client, in the store":   {"TestAttempts", "TestAttemptsAtOnce", "TestAttemptsOfTwoProcesses", "TestAttemptsWithTwoClocks", "TestAttemptsOfOtherSpellings"},
	"user codes are not guessed":                                         {"TestUserCodesAreNotGuessed"},
	"pages are not framed, cached, forged or stale":                      {"TestPage", "TestForgedAnswers", "TestPageGoesStale", "TestDevicePageIsSafe", "TestDevicePageGoesStale", "TestDevicePageSignsInOnce"},
	"pages are labelled and refer to nothing outside":                    {"TestPage", "TestDevicePageIsSafe"},
	"revoking an unknown token is a success, another client's is not":    {"TestRevoke"},
	"introspection needs a secret and tells of nothing inactive":         {"TestIntrospect"},
	"the guard's answers at userinfo":                                    {"TestUserInfo", "TestUserInfoSub"},
	"no secret is logged or printed":                                     {"TestNothingSecretIsLogged", "TestNoEndpointTakes", "TestDeviceFlow", "TestClientPrintsNoSecret", "TestUsersFailure"},
	"a store that fails costs no credential":                             {"TestStoreFailures", "TestOutageWithinGrace", "TestDeviceStoreFailures"},
	"a key that cannot sign costs no credential":                         {"TestSigningFails"},
	"JWT access tokens are known, introspected and revoked":              {"TestJWTAccessToken", "TestJWTOfAClientItself"},
	"keys rotate with overlap":                                           {"TestKeyRotation", "TestJWKS"},
	"ID tokens":                                                          {"TestIDToken", "TestIDTokenOfAnotherLogin", "TestIDTokenReissued", "TestDeviceIDTokenAndEndSubject"},
	"assertions of clients are for the issuer alone, and work once":      {"TestAssertion", "TestAssertionWorksOnce", "TestAssertionAndOtherMethods", "TestAssertionKeysUnavailable", "TestAssertionFaults"},
	"pushed requests":                                                    {"TestPushedAuthorization", "TestPushedAuthorizationErrors", "TestPushedProof"},
	"the project's own client finds its way":                             {"TestWithOurOwnClient"},
	"tokens bound to a key":                                              {"TestProof", "TestBoundTokens", "TestBoundRefresh", "TestBoundCode", "TestProofNonces", "TestEachProofWorksOnce", "TestDPoPFaults"},
	"discovery":                                                          {"TestMetadata", "TestDiscovery"},
	"the device flow polls, slows down, expires and is denied":           {"TestDeviceFlow", "TestDevicePolling", "TestDeviceExpires", "TestDeviceDenied"},
	"the endpoints of the public documents":                              {"TestUlule", "TestUluleConnect", "TestBreakOut", "TestUshahidi", "TestRequestsOAuthlib"},
	"replicas on one store know of each other's spent credentials":       {"TestReuseAtAnotherReplica", "TestReplayAtAnotherReplica"},
	"what is issued expires by the server's clock, whatever the store's": {"TestExpiryByOurClock"},
	"a query is no part of a token request":                              {"TestQueryOfATokenRequest"},
	"only live access tokens open resources":                             {"TestTokensOfOtherKinds"},
	"a mount for some dialects serves only their clients":                {"TestAuthorizeOfOneDialect", "TestUluleConnect"},
	"hostile token and authorize requests":                               {"FuzzToken", "FuzzAuthorize"},
	"nothing but a token's whole text is believed":                       {"TestOnlyTheSecretIsBelieved", "FuzzPresentedToken"},
	"a record gives nobody a token, nor one token of a pair the other":   {"TestRecordsOfPairs"},
	"a revocation that is answered has happened":                         {"TestStoreFailures", "TestRevocationDuringARefresh"},
	"each token is good for its own time, client and purpose only":       {"TestTokensAgainstAModel", "TestRevokingAnExpiredToken"},
	"a keeper on the same store ends and sweeps what is issued":          {"TestStoreSharedWithAKeeper"},
	"a subject's logins end all at once":                                 {"TestEndSubject", "TestEndSubjectOfManyLogins", "TestEndSubjectDuringARedemption"},
	"wrong settings are told all at once":                                {"TestFaultsAllAtOnce", "TestRefusedStoresAndIssuers", "TestSignedTokensNeedAnIssuer", "TestDeviceNeedsAPage"},
}

func TestEveryRequirementHasItsTest(t *testing.T) {
	t.Parallel()
	var names []string
	files, err := fs.Glob(os.DirFS("."), "*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
				names = append(names, f.Name.Name)
			}
		}
	}
	for what, tests := range proofs {
		for _, test := range tests {
			if !slices.Contains(names, test) {
				t.Errorf("%s: no %s", what, test)
			}
		}
	}
}
