module leaker.test

go 1.25
