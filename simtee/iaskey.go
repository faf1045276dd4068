// SPDX-License-Identifier: Apache-2.0

package simtee

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
)

// reportKey is the simulated report signing key (PKCS #1, DER, base64). RSA keys
// cannot be derived from a label as the others are: the standard library makes
// none from given numbers. It protects as little as they do.
const reportKey = "MIIEogIBAAKCAQEAmQEvLC1MxpqRkXEfr5SJsuxv0DV1+7dcrCZrRBGjBdRCgOwt2nR1KW1oe5plWEwnr51Mm+BLG/QcEA7XCmm8o52Gjojp3RUj" +
	"Bo8DlM9wDef5O8+v1usLc9zL3IV9JXMdYoofKxYF6MXkLlqAj18XoFs4M6w2G4yUt1SBc2QCJYE1MT0t0w4CR/wwEzaGueoqdS/OjT39sgXYC64c" +
	"y2D7XxACfaIO5rbBXPuprjxew9FUC5L1W0g0xd8upcxd7jC0asarcLCw8OMqbAQjcB4cuZslGSafo7ZiTkdV3xs0LvoLkqMWTSZcFcohioBVWdek" +
	"4ZkGE1LfZSL1n8YOa7CqyQIDAQABAoIBABdQlWIbcwgOdKEfhk8IiOURX0ZwZw6Y1c/LuOux7lAMlKe1lZUkyteputKe59OJI0EA7LQR/RAA5ifS" +
	"QxVsoFikP+VHWq+cMW6l60tJQs9zqkhhcO+EeIXKvuvXEYdb373swywbGoJqaUdg9hciy+RdEhbZppMTHHRFNcaiFiulpOLEpF/HcfDfnSaxOXmB" +
	"jh/MmltOPmLL6CYPUHAckWv4bGIGirNWui6WTGDECUUHEM+Pz1jqlC7K4ND3lhF3bOfokWpx+BHce+5kwsC6lAzm3/4DRE4cQ6Gr8g8VrHfzGMKS" +
	"nvR5v2Sq6JvlkPYo0OFtJLRzn99sNmOjUvN53CkCgYEAyobnFuIdottx9rt8kuir67MTV0ie8r27FTCx5LAjw2HMOnZNFLknKjc5gIWuRpk2Klu+" +
	"u7zQX51HjWRflM6Xj72THq4qMxQhYsCdfiBoLmGv+FppjO0bkkcQo0Q0KaN8H6peZyvPVqkERZbAA84/cgBcj8JShDkDT+h8LwMhIE0CgYEAwWb+" +
	"U22UPIBhNT8BRsPZKiBJc1xyMKyv5B3+uz38l898Ps7Sh562wnL4atUnsjC5Y+MOgfeGTQQ3GZnnwQI740l1MRcVhQGD/jkd8Tc4m+299UMIOcIJ" +
	"NvPoqPc4NjkdB7dssvKDXA8pDtrKnU12QevPUcjfiRh1rpBRiP/Skm0CgYBhMr9jpx+sEn+ud6rA4vPnyekFYfAO9en8sIMgCz0OvzgB8tbplDbs" +
	"ttZdDUtnzI5HZAK1HVgwG07E2CBbTY9FyCj8d3//RbEEMQclCi6V3AJVQicYII+z83FTuh8CwNiIZf6qq0b2A2Xuc/wxl2Gxt+S0hgGOPcKOLjiz" +
	"Y2AZnQKBgFHDtEQbMK9/axlywJxlUlt/+O2fqNsxNs+PatFIfJDF9HYtRE536DY/Gw03fqfT95zmMoz507qdzJmzOoqb4ivOM5CEfOGVaXNCPIlt" +
	"Wi56DXQyWbjpcrHb3oIIuqgZ708C2h6xbp2t/yK7lyt3w0ZNZoHiFbdFMwORGhd8aE7lAoGAQczMZTV4/OsEwqc0+WVp2Rli85C3mQ9TUuE7+poC" +
	"Bnt6g8j31eAGY/47IcZhVmWvhXU/YRFsmkCvfnDw/aLaPAaEimpxzW1TR6oKK/bhdTBdoGuFGFxR+qEYeeBhM0YZoOi+WrlInRvwqiyfQX6s8bL2" +
	"7hI92pm3t5Yk9qXYNKs="

// reportSigningKey returns the key that signs the simulated service's reports.
func reportSigningKey() *rsa.PrivateKey {
	der, err := base64.StdEncoding.DecodeString(reportKey)
	if err != nil {
		panic(err) // the constant above
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		panic(err) // the constant above
	}
	return key
}
