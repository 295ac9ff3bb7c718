package authserver

import "html/template"

const style = `{{define "style"}}<style nonce="{{.Nonce}}">
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.35rem; line-height: 1.3 }
label { display: block; margin-top: 1rem }
input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box }
button { font: inherit; padding: .6rem 1.2rem; margin: 1.5rem .5rem 0 0; min-height: 2.75rem }
[role=alert] { border-left: .3rem solid #c00; padding: .2rem .8rem }
:focus-visible { outline: 3px solid #06c; outline-offset: 2px }
</style>{{end}}`

var defaultPage = template.Must(template.New("authorize").Parse(style + `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{if .Problem}}Problem: {{end}}{{if .SignIn}}Sign in{{else}}Allow access{{end}} – {{.Client}}</title>
{{template "style" .}}
</head>
<body>
<main>
<h1>{{if .SignIn}}Sign in to continue to {{.Client}}{{else}}Allow {{.Client}} to use your account?{{end}}</h1>
{{with .Problem}}<p role="alert" id="problem">{{.}}</p>{{end}}
{{if .Scopes}}<p><strong>{{.Client}}</strong> at {{.Host}} will be allowed to:</p>
<ul>{{range .Scopes}}
<li>{{if .Text}}{{.Text}}{{else}}{{.Name}}{{end}}</li>{{end}}
</ul>{{else}}<p><strong>{{.Client}}</strong> at {{.Host}} will learn who you are.</p>{{end}}
<form method="post">
<input type="hidden" name="request" value="{{.Request}}">
{{if .SignIn}}<label for="username">User name or e-mail</label>
<input id="username" name="username" value="{{.Username}}" autocomplete="username" autocapitalize="none" spellcheck="false"
 required{{if .Problem}} aria-describedby="problem"{{end}}{{if not .Username}} autofocus{{end}}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password"
 required{{if .Problem}} aria-describedby="problem"{{end}}{{if .Username}} autofocus{{end}}>
{{end}}<button name="decision" value="allow">{{if .SignIn}}Sign in and allow{{else}}Allow{{end}}</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</form>
</main>
</body>
</html>
`))

var failurePage = template.Must(template.New("failure").Parse(style + `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The request cannot be answered</title>
{{template "style" .}}
</head>
<body>
<main>
<h1>The request cannot be answered</h1>
<p role="alert">{{.Description}}.</p>
<p>This is a fault of the application that sent you here, or the page is out of date. Code: <code>{{.Code}}</code></p>
</main>
</body>
</html>
`))

var deviceTemplate = template.Must(template.New("device").Parse(style + `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{if .Problem}}Problem: {{end}}{{if .Done}}Connect a device: done{{else if .Client}}Allow access – {{.Client}}{{else}}Connect a device{{end}}</title>
{{template "style" .}}
</head>
<body>
<main>
{{if .Done}}<h1>{{if eq .Done "allow"}}Your device is connected{{else}}Your device is not connected{{end}}</h1>
<p role="status">{{if eq .Done "allow"}}It goes on by itself in a few seconds.{{else}}You have denied it access.{{end}} You can close this page.</p>
{{else if .Client}}<h1>Allow {{.Client}} to use your account?</h1>
<p>Go on only if a device of your own shows this code: <strong>{{.Code}}</strong></p>
{{if .Scopes}}<p><strong>{{.Client}}</strong> will be allowed to:</p>
<ul>{{range .Scopes}}
<li>{{if .Text}}{{.Text}}{{else}}{{.Name}}{{end}}</li>{{end}}
</ul>{{else}}<p><strong>{{.Client}}</strong> will learn who you are.</p>{{end}}
<form method="post">
<input type="hidden" name="request" value="{{.Request}}">
<button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
{{else}}<h1>Connect a device</h1>
{{with .Problem}}<p role="alert" id="problem">{{.}}</p>{{end}}
<form method="post">
{{with .Request}}<input type="hidden" name="request" value="{{.}}">
{{end}}<label for="user_code">The code that the device shows</label>
<input id="user_code" name="user_code" value="{{.Code}}" autocomplete="off" autocapitalize="characters" spellcheck="false"
 required{{if .Problem}} aria-describedby="problem"{{end}}{{if not .Code}} autofocus{{end}}>
{{if .SignIn}}<label for="username">User name or e-mail</label>
<input id="username" name="username" value="{{.Username}}" autocomplete="username" autocapitalize="none" spellcheck="false"
 required{{if .Problem}} aria-describedby="problem"{{end}}{{if .Code}} autofocus{{end}}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{{if .Problem}} aria-describedby="problem"{{end}}>
{{end}}<button>Continue</button>
</form>{{end}}
</main>
</body>
</html>
`))
