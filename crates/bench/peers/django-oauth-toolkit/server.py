"""django-oauth-toolkit as an Authorization Server for the client credentials grant: one client, tokens as it makes them
by default, opaque and stored. The store is SQLite in the folder that DATA names."""

import os
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(os.environ["DATA"]) / "django.db"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    OAUTH2_PROVIDER={"SCOPES": {"report:read": "Read reports"}},
    ROOT_URLCONF=__name__,
    SECRET_KEY="for measuring alone",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    USE_TZ=True,
)
django.setup()

urlpatterns = [path("ready", lambda request: HttpResponse()), path("", include("oauth2_provider.urls"))]

call_command("migrate", verbosity=0)

from oauth2_provider.models import Application  # noqa: E402, its tables come with the line above

# The secret is compared as it is: its default, a hash made for passwords, would take nearly all of the time.
Application.objects.get_or_create(
    client_id="client",
    defaults={
        "client_secret": "a-secret-of-forty-three-characters-0123456789",
        "hash_client_secret": False,
        "client_type": Application.CLIENT_CONFIDENTIAL,
        "authorization_grant_type": Application.GRANT_CLIENT_CREDENTIALS,
    },
)

# Connections are made by the workers, not handed down to them.
django.db.connections.close_all()

application = get_wsgi_application()
