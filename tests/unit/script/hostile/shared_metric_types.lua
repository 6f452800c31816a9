-- expect: refused wanted one type
counter "same" {}
gauge "same" {}
