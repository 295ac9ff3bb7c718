// Package browser holds the demo's browser tests: headless Chromium against the demo as a user starts it. bash run.sh
// runs them, with Chromium installed if it is missing.
package browser
